# In the guest: connects the loopback drive as /dev/nvme0n1.
echo 'transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn=zslab' > /dev/nvme-fabrics
for i in 1 2 3 4 5 6 7 8 9 10; do
    [ -b /dev/nvme0n1 ] && break
    sleep 0.3
done
[ -b /dev/nvme0n1 ]
