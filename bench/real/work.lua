-- Many small tables and strings, made and dropped: what a script does to an allocator.
local function tree(depth)
    if depth == 0 then return {} end
    return { left = tree(depth - 1), right = tree(depth - 1) }
end
local function count(t)
    return t.left and 1 + count(t.left) + count(t.right) or 1
end

local kept, nodes = tree(15), 0
for _ = 1, 25 do nodes = nodes + count(tree(12)) end

local words, seed = {}, 42
for i = 1, 120000 do
    seed = (seed * 1103515245 + 12345) % 2147483648
    local word = string.format("%s-%d", string.rep(string.char(97 + seed % 26), 1 + seed // 64 % 40), seed % 5000)
    words[word] = (words[word] or 0) + 1
end
local list = {}
for word, n in pairs(words) do list[#list + 1] = word .. "=" .. n end
table.sort(list)
local text = table.concat(list, " ")
local sum = 0
for piece in text:gmatch("%S+") do sum = (sum * 31 + #piece) % 1000000007 end
print(nodes, count(kept), #list, #text, sum)
