"""The router of one layer: logits and the choice on them."""
