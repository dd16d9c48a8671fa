"""MATLAB Deep Learning Toolbox: ``convolution*dLayer`` and ``transposedConv*dLayer``."""
