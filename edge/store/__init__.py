"""The only package that knows SQL: named queries, numbered migrations, one module per resource."""
