# Process 1 may be gone, and this shell with it, before kubectl hears how it
# went: then kubectl reports 137, which is no failure here.
kubectl exec hello -- kill 1 || [ $? = 137 ]
