"""What people look at: result tables, figures and the HTML report."""
