"""The LLVM way: kernels generated as LLVM IR, compiled for this machine, run on all its cores."""
