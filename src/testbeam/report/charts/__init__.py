"""Pictures as text: each file makes one kind of chart, as SVG that needs nothing from outside the page."""
