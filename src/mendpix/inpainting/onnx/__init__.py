"""Exported networks in ONNX Runtime."""
