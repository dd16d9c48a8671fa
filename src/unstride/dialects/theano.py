"""Theano: ``theano.tensor.nnet`` ``conv2d``, ``conv2d_transpose`` and ``conv3d``."""
