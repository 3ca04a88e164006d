"""From codes to a store, and back: the plan, the documents, the filters, the checked store."""
