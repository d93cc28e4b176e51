"""Generated from protos/paretune/v1 by tools/gen_protos.py. Never edited by hand."""
