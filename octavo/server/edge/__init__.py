"""The edge: what stands between the network and the application, and bounds everything that a stranger sends."""
