"""The paper's experiments: what it reports, what comes out here, and why they differ."""
