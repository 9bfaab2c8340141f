"""From a text to the findings in leads that it speaks of."""
