"""Helpers for the course "Training deep networks, with every claim checked".

The ideas a lesson teaches stand in the lesson; what would only be in the way stands here. Importing this
package loads neither TensorFlow nor Keras: the modules that need them import them.
"""
