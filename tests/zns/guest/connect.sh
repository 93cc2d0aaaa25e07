# In the guest: connects the loopback drive as /dev/nvme0n1.
echo 'transport=tcp,traddr=127.0.0.1,trsvcid=4420,nqn=zslab,keep_alive_tmo=600' > /dev/nvme-fabrics
i=0
while [ $i -lt 200 ] && ! [ -b /dev/nvme0n1 ]; do
    sleep 0.3
    i=$((i + 1))
done
[ -b /dev/nvme0n1 ]
