"""The pages that open over the conversation, one module each."""
