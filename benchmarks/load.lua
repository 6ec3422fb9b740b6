-- Sends the requests of a file, one after the other, from a given line on, and over again.
-- Each line of the file: host, path and user agent, separated by tabs. The second file holds the
-- header lines that every request has. Arguments: requests file, header file, first line.

local requests, count, place = {}, 0, 0

local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function init(args)
  local headers = read(args[2])
  for line in io.lines(args[1]) do
    local host, path, agent = line:match("^([^\t]+)\t([^\t]+)\t([^\t]+)$")
    count = count + 1
    requests[count] = "GET " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\nUser-Agent: " .. agent
      .. "\r\n" .. headers .. "\r\n"
  end
  place = tonumber(args[3]) % count
end

function request()
  place = place % count + 1
  return requests[place]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    "RESULT {\"requests\":%d,\"seconds\":%.6f,\"refused\":%d,\"broken\":%d,\"p50\":%.1f,\"p99\":%.1f}\n",
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
