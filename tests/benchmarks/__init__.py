"""Benchmarks of the site, as ratios to baselines ("floors") measured in the same run.

A number of requests a second says more of the machine than of the program. Each measure
therefore takes turns with a floor: the least that any program would have to do here.
"""
