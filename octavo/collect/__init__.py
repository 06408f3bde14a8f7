"""What ``octavo trace`` does: texts by domain go through a model, and how it routed them becomes a trace."""
