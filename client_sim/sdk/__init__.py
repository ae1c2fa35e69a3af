"""The client SDK: one connection, its requests, its pushes, its errors."""
