"""A result or an event as text, HTML, SVG or JSON."""
