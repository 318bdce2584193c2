"""What people look at: previews, audits, benchmarks, the doctor, the demo.

Enters: a manifest, policies, a saliency source. Leaves: pictures, tables and JSON.
"""
