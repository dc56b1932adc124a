"""The paper's figures of networks and workflow, drawn from what runs here."""
