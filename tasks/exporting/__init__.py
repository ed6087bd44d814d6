"""Merged models in the forms that others load: open_clip, Hugging Face, ONNX, and a router in plain torch."""
