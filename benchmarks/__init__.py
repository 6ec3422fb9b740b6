"""Every figure that this project states about itself, measured against something run beside it."""
