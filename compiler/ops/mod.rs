//! One ONNX operator per file: import rule, attributes, shapes, meaning.
