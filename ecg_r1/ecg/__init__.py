"""The ECG itself: records, what is measured on them, the words for what they show, their pages, and simulated ones.

Needs numpy, scipy and neurokit2 only; importing this package opens none of them but numpy.
"""
