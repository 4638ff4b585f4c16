//! One rewrite per file; pipelines are lists.
