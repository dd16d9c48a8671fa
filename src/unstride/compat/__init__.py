"""The frameworks' own calls on NumPy arrays: change the import, keep the code.

>>> import numpy as np
>>> from unstride.compat import tensorflow as tf
>>> x, filters = np.ones((1, 2, 2, 1), np.float32), np.ones((3, 3, 1, 1), np.float32)
>>> tf.nn.conv2d_transpose(x, filters, output_shape=[1, 6, 6, 1], strides=2, padding="VALID").shape
(1, 6, 6, 1)
"""
