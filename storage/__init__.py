"""What is kept and how it changes: files on disk, documents in MongoDB, the rules between them."""
