"""What runs inside a worker process: user code, its output, its errors."""
