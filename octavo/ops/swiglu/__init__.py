"""The gated activation between the two products of a feed-forward."""
