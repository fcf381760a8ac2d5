"""Background work: what runs periodically (`periodic`), and queues of jobs in a service's own tables (`queue`)."""
