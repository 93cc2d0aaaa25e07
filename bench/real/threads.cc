// Threads that build containers of strings and hand them to each other: what one makes, another frees.
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

using batch = std::vector<std::unique_ptr<std::string>>;

class channel {
public:
    void send(batch b)
    {
        std::unique_lock<std::mutex> hold(mutex_);
        room_.wait(hold, [this] { return queue_.size() < 8; });
        queue_.push_back(std::move(b));
        filled_.notify_one();
    }
    batch receive()
    {
        std::unique_lock<std::mutex> hold(mutex_);
        filled_.wait(hold, [this] { return !queue_.empty(); });
        batch b = std::move(queue_.front());
        queue_.pop_front();
        room_.notify_one();
        return b;
    }

private:
    std::mutex mutex_;
    std::condition_variable room_, filled_;
    std::deque<batch> queue_;
};

constexpr int threads = 4, rounds = 60, strings = 400;

std::uint64_t work(int me, channel &in, channel &out)
{
    std::map<std::string, int> seen;
    std::unordered_map<std::uint64_t, std::vector<int>> groups;
    std::uint64_t x = 88172645463325252u + static_cast<std::uint64_t>(me), sum = 0;
    for (int round = 0; round < rounds; round++) {
        batch mine;
        for (int i = 0; i < strings; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            mine.push_back(std::make_unique<std::string>(1 + x % 300, static_cast<char>('a' + x % 26)));
            groups[x % 500].push_back(i);
        }
        out.send(std::move(mine));
        for (auto &s : in.receive()) {
            sum += s->size() * static_cast<unsigned char>((*s)[0]);
            seen[s->substr(0, s->size() % 64)]++;
        }
        if (round % 16 == 15) groups.clear();
    }
    for (auto &s : seen) sum = sum * 31 + s.first.size() + static_cast<std::uint64_t>(s.second);
    return sum;
}

} // namespace

int main()
{
    for (int again = 0; again < 5; again++) {
        std::vector<channel> ring(threads);
        std::vector<std::uint64_t> sums(threads);
        std::vector<std::thread> all;
        for (int i = 0; i < threads; i++)
            all.emplace_back([&, i] { sums[i] = work(i, ring[i], ring[(i + 1) % threads]); });
        for (auto &t : all) t.join();
        for (auto s : sums) std::cout << s << '\n';
    }
}
