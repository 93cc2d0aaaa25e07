# In the guest: a null_blk drive with zones that can be spoilt, exported over nvmet-tcp on the loopback and connected
# as /dev/nvme0n1, so that real NVMe commands meet them. Leaves the null_blk's configfs directory in $knobs.
knobs=/sys/kernel/config/nullb/zdrive
mkdir $knobs
for setting in memory_backed=1 zoned=1 size=256 blocksize=4096 zone_size=4 zone_capacity=3 zone_max_open=4 \
    zone_max_active=6 zone_nr_conv=0 power=1; do
    echo "${setting#*=}" > "$knobs/${setting%=*}"
done
t=/sys/kernel/config/nvmet
mkdir $t/subsystems/zslab
echo 1 > $t/subsystems/zslab/attr_allow_any_host
mkdir $t/subsystems/zslab/namespaces/1
echo -n /dev/zdrive > $t/subsystems/zslab/namespaces/1/device_path
echo 1 > $t/subsystems/zslab/namespaces/1/enable
mkdir $t/ports/1
echo tcp > $t/ports/1/addr_trtype
echo ipv4 > $t/ports/1/addr_adrfam
echo 127.0.0.1 > $t/ports/1/addr_traddr
echo 4420 > $t/ports/1/addr_trsvcid
ln -s $t/subsystems/zslab $t/ports/1/subsystems/zslab
. ./connect.sh
