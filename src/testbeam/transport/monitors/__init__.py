"""Subscriptions to PVs, by protocol, behind one seam."""
