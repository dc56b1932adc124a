"""Each way in which the paper's sound failed, provoked, and why."""
