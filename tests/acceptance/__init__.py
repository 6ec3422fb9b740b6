"""The product as its users meet it: a real browser on a real edge."""
