"""The counterfactual probe: one heart with one thing moved. Does what a model writes follow?"""
