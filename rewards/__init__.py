"""The reward library: one reward, one small file, written exactly as your own would be."""
