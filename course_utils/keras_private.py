"""Every private name of Keras and TensorFlow that the course uses, and the public way where one is as good.

Private names may change with any release. So they stand here and nowhere else, and
``tests/test_keras_private.py`` says what broke. A scheduled job of CI tries the newest releases.
"""
