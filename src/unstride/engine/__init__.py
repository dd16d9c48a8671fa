"""Run a layer on arrays: the definition as loops, the plan, and the engines that must agree with the definition."""
