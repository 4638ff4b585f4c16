//! ONNX Runtime as the judge: the two integer references and the exported canonical graph.
