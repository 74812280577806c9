kubectl apply -f shop.yaml
kubectl patch service shop --type=json -p "[{\"op\":\"replace\",\"path\":\"/spec/ports\",\"value\":[
  {\"name\":\"a\",\"port\":80,\"targetPort\":8080},
  {\"name\":\"b\",\"port\":8080,\"targetPort\":8080,\"nodePort\":$LAB_SHOP}]}]"
