"""What makes the store's promises checkable: sealed audit, inclusion proofs, receipts, and their verification offline."""
