"""What the pages of the dashboard share: state chips, formats, filters, refresh, tables, dialogs, access to the API."""
