"""What crosses the gap: blobs, volumes, packing and unpacking."""
