"""What every call takes and answers, one module for each resource."""
