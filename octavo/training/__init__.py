"""Training: a recipe and a folder of text in, a model folder with its curves out."""
