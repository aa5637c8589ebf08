"""Helpers for the course "Training deep networks, with every claim checked".

A lesson itself contains the code of the ideas that it teaches. This package contains the rest. Importing the
package loads neither TensorFlow nor Keras; the modules that need them import them.
"""
